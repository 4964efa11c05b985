import { asError } from '../../errors.ts';
import { request } from '../../io/request.ts';
import type { Clock } from '../../lifecycle/clock.ts';
import { type HttpServer, kindOf, speaksHttp1 } from '../traffic/http-server.ts';
import { checkGrpc } from './grpc-check.ts';
import { AGENT, type Answer, type ProbeTarget, TIMEOUT_MS, UNCHECKED } from './probe-target.ts';

/** Longest rest of an answer that is still read, in bytes, so that the application sees no cut connection. */
const LONGEST_ANSWER = 1_024 * 1_024;

/** Prefix of a gRPC probe; the name of the service follows. */
const GRPC = 'grpc:';

/** Whether LOSSLESS_PROBE asks the health service of gRPC rather than a path. */
export function isGrpcProbe(probe: string | undefined): boolean {
  return probe?.startsWith(GRPC) === true;
}

/**
 * Asks the application once, as a platform's health check does.
 *
 * @param probe a path, or `grpc:` and the name of a service
 * @returns never rejects
 */
export async function ask(server: HttpServer, target: ProbeTarget, probe: string, clock: Clock): Promise<Answer> {
  if (isGrpcProbe(probe))
    return kindOf(server) === 'http2'
      ? checkGrpc(target, probe.slice(GRPC.length), clock)
      : { isGood: false, said: 'nothing, as it speaks HTTP/1.1' };
  if (speaksHttp1(server)) return askPath(target, probe, clock);
  const said = 'nothing, because it speaks only HTTP/2 (for a gRPC server set LOSSLESS_PROBE=grpc: or grpc:<service>)';
  return { isGood: false, said };
}

function askPath({ at, scheme }: ProbeTarget, path: string, clock: Clock): Promise<Answer> {
  const asked = {
    clock,
    to: at,
    tls: scheme === 'https' ? UNCHECKED : undefined,
    path,
    headers: { 'user-agent': AGENT },
    timeoutMs: TIMEOUT_MS,
  };
  return new Promise((resolve) => {
    request(asked, (answer) => {
      const { status } = answer;
      resolve({ isGood: status >= 200 && status < 300, said: String(status), statusCode: status });
      return answer.text(LONGEST_ANSWER);
    }).catch((thrown) => resolve({ isGood: false, said: asError(thrown).message }));
  });
}
