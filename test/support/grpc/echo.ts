import { fileURLToPath } from 'node:url';
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { loadSync } from '@grpc/proto-loader';

/** The service that these tests call. */
export const PROTO = fileURLToPath(new URL('echo.proto', import.meta.url));

/** What is said, and what comes back. */
export interface Word {
  readonly text: string;
  /** How long the answer takes, in milliseconds. */
  readonly ms: number;
}

export const definition = loadSync(PROTO);

/** Of Connect. */
export const service = connectService();

function connectService() {
  const { fileDescriptorProtos } = definition['echo.Word'] as { fileDescriptorProtos: Buffer[] };
  const file = fileDescriptorProtos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  const found = createFileRegistry(create(FileDescriptorSetSchema, { file })).getService('echo.Echo');
  if (found === undefined) throw new Error(`${PROTO} has no service echo.Echo`);
  return found;
}
