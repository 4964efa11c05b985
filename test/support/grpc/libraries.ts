import { createRequire } from 'node:module';
import type { GrpcObject, ServiceClientConstructor } from '@grpc/grpc-js';
import { definition } from './echo.ts';

/** Loads packages of the tests as CommonJS. */
export const require = createRequire(import.meta.url);

type Grpc = typeof import('@grpc/grpc-js');

/** A copy of grpc-js, by the name under which it is installed. */
export function grpcJs(name = '@grpc/grpc-js'): Grpc {
  return require(name) as Grpc;
}

/** The service `echo.Echo` of that copy, and its client. */
export function echoOf({ loadPackageDefinition }: Grpc): ServiceClientConstructor {
  return (loadPackageDefinition(definition)['echo'] as GrpcObject)['Echo'] as ServiceClientConstructor;
}
