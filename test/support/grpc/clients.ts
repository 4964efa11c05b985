import { Code, ConnectError } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import {
  type ChannelCredentials,
  credentials,
  loadPackageDefinition,
  type ServiceClientConstructor,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { protoPath } from 'grpc-health-check';
import { closing, type Load, openLoop, type Rate } from '../entry/load.ts';
import { connectEcho } from './connect.ts';
import { echoOf, grpcJs } from './libraries.ts';

const Echo = echoOf(grpcJs());

/** Longest wait for the end of a call, in milliseconds. */
const PATIENCE_MS = 20_000;

export interface LoadOptions extends Pick<Rate, 'perSecond'> {
  readonly method: 'say' | 'repeat';
  /** Length of each call, in milliseconds. */
  readonly ms: number;
  /** Ports of the instances, or of proxies before them. */
  readonly ports: readonly number[];
  /** Name of the service, which the plugin resolves. Default: the ports, in turn. */
  readonly service?: string;
  /** Uses TLS without checking the certificate. */
  readonly isSecure?: boolean;
  /** Tries every call once. Default: the client retries calls that no instance has begun. */
  readonly isTriedOnce?: boolean;
}

/** A client of grpc-js with a static list of addresses, or with the name of the service. */
export function grpcJsClient({
  isSecure,
  isTriedOnce,
  ports,
  service,
}: Pick<LoadOptions, 'isSecure' | 'isTriedOnce' | 'ports' | 'service'>) {
  const list = `ipv4:${ports.map((port) => `127.0.0.1:${port}`).join(',')}`;
  return new Echo(
    service === undefined ? list : `lossless:///${service}`,
    isSecure ? anySecure() : credentials.createInsecure(),
    {
      ...(isSecure && { 'grpc.ssl_target_name_override': 'localhost' }),
      ...(isTriedOnce && { 'grpc.enable_retries': 0 }),
      ...(service === undefined && {
        'grpc.service_config': JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      }),
    },
  );
}

/** Calls by grpc-js. */
export function startGrpcJs({ method, ms, perSecond, ...channel }: LoadOptions): Load {
  const client = grpcJsClient(channel);
  const say = (deadline: number) =>
    new Promise<string | undefined>((resolve) =>
      client['say']?.({ text: 'x', ms }, { deadline }, (error: ServiceError | null) => resolve(reasonOf(error))),
    );
  const repeat = (deadline: number) =>
    new Promise<string | undefined>((resolve) => {
      const call = client['repeat']?.({ text: 'x', ms }, { deadline });
      call.on('data', () => {});
      call.on('error', (error: ServiceError) => resolve(reasonOf(error)));
      call.on('end', () => resolve(undefined));
    });
  const send = method === 'say' ? say : repeat;
  const load = openLoop({ clients: 1, perSecond }, () => send(Date.now() + PATIENCE_MS));
  return closing(load, () => client.close());
}

/** A client of Connect, which never sends a call twice, at one address. */
export function startConnect({ isSecure, method, ms, perSecond, ports: [port] }: LoadOptions): Load {
  const baseUrl = `${isSecure ? 'https' : 'http'}://127.0.0.1:${port}`;
  const transport = createGrpcTransport({ baseUrl, nodeOptions: { rejectUnauthorized: false } });
  const client = connectEcho(transport);
  const send = async (): Promise<string | undefined> => {
    try {
      const options = { timeoutMs: PATIENCE_MS };
      if (method === 'say') await client.say({ text: 'x', ms }, options);
      else for await (const _ of client.repeat({ text: 'x', ms }, options));
      return undefined;
    } catch (thrown) {
      const { code, rawMessage } = ConnectError.from(thrown);
      return `${Code[code]} ${rawMessage}`;
    }
  };
  return openLoop({ clients: 1, perSecond }, send);
}

/** A client of grpc-js that watches the health of one instance. */
export function startWatch(port: number): {
  readonly statuses: readonly string[];
  readonly ended: Promise<string | undefined>;
} {
  const packages = loadPackageDefinition(loadSync(protoPath, { enums: String })) as unknown as {
    readonly grpc: { readonly health: { readonly v1: { readonly Health: ServiceClientConstructor } } };
  };
  const client = new packages.grpc.health.v1.Health(`127.0.0.1:${port}`, credentials.createInsecure());
  const statuses: string[] = [];
  const call = client['watch']?.({ service: 'echo.Echo' });
  call.on('data', ({ status: now }: { status: string }) => statuses.push(now));
  const ended = new Promise<string | undefined>((resolve) => {
    call.on('error', (error: ServiceError) => resolve(reasonOf(error)));
    call.on('end', () => resolve(undefined));
  });
  return { statuses, ended: ended.finally(() => client.close()) };
}

/** Accepts any certificate, because each server of these tests makes its own. */
function anySecure(): ChannelCredentials {
  return credentials.createSsl(null, null, null, { rejectUnauthorized: false });
}

function reasonOf(error: ServiceError | null): string | undefined {
  return error === null ? undefined : `${status[error.code]} ${error.details}`;
}
