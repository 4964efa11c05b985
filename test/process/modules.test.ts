import { describe, expect, test } from 'vitest';
import { LINES } from '../support/process/node-lines.ts';
import { useChildren } from '../support/process/use-children.ts';

const FIXTURE = new URL('../fixtures/modules/loads.ts', import.meta.url);

const children = useChildren();

describe.each(LINES)('what an application loads, on Node.js %s', (line) => {
  const told = async (...args: string[]): Promise<{ lines: readonly string[]; stderr: string }> => {
    const child = children.node(FIXTURE, { line, args });
    await child.ends();
    return { lines: child.lines, stderr: child.stderr };
  };

  test.each([
    ['a package that is required', ['require', 'after', '@grpc/grpc-js'], ['http2', 'grpc-js 1.14.7 whole', 'end']],
    [
      'a package that an ES module imports',
      ['import', 'after', '@grpc/grpc-js'],
      ['http2', 'grpc-js 1.14.7 whole', 'end'],
    ],
    [
      'a package that was loaded before the plugin',
      ['require', 'before', '@grpc/grpc-js'],
      ['grpc-js 1.14.7 whole', 'http2', 'end'],
    ],
    [
      'several copies, of which some have an alias',
      ['require', 'after', 'grpc-js-1.10', '@grpc/grpc-js', 'grpc-js-1.10', 'grpc-js-1.13'],
      ['http2', 'grpc-js 1.10.12 whole', 'grpc-js 1.14.7 whole', 'grpc-js 1.13.7 whole', 'end'],
    ],
    ['a part of a package, without the rest', ['require', 'after', '@grpc/grpc-js/build/src/constants.js'], ['end']],
    ['other packages', ['require', 'after', '@bufbuild/protobuf', 'node:http'], ['end']],
    ['HTTP/2 that is required', ['require', 'after', 'node:http2'], ['http2', 'end']],
    ['HTTP/2 that an ES module imports', ['import', 'after', '@connectrpc/connect-node'], ['http2', 'end']],
    ['no package after the end', ['require', 'ended', '@grpc/grpc-js'], ['end']],
  ])('%s', async (_, args, lines) => {
    expect(await told(...args)).toEqual({ lines, stderr: '' });
  });
});
