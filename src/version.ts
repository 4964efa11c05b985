/** Version of this package, as its package.json says; a test holds the two together. */
export const VERSION = '0.1.0';

/** Version of the OpenTelemetry SDK that is built in. */
export const SDK_VERSION = '3.1.1';
