import { createRequire } from 'node:module';

/** A fresh copy of the package, which a test may change. */
export function healthPackage(): typeof import('grpc-health-check') {
  const require = createRequire(import.meta.url);
  delete require.cache[require.resolve('grpc-health-check')];
  return require('grpc-health-check') as typeof import('grpc-health-check');
}
