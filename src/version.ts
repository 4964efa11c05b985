/** Version of this package, the same as in package.json; a test compares the two. */
export const VERSION = '0.1.0';

/** Version of the OpenTelemetry SDK that is built in. */
export const SDK_VERSION = '3.1.1';
