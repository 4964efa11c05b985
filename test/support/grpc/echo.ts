import { fileURLToPath } from 'node:url';
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { loadSync } from '@grpc/proto-loader';

/** Path of the definition of the called service. */
export const PROTO = fileURLToPath(new URL('echo.proto', import.meta.url));

/** A message of a call and of its answer. */
export interface Word {
  readonly text: string;
  /** Time before the answer, in milliseconds. */
  readonly ms: number;
}

export const definition = loadSync(PROTO);

/** The service for Connect. */
export const service = connectService();

function connectService() {
  const { fileDescriptorProtos } = definition['echo.Word'] as { fileDescriptorProtos: Buffer[] };
  const file = fileDescriptorProtos.map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));
  const found = createFileRegistry(create(FileDescriptorSetSchema, { file })).getService('echo.Echo');
  if (found === undefined) throw new Error(`${PROTO} has no service echo.Echo`);
  return found;
}
