import { type IncomingHttpHeaders, request } from 'node:http';

/** The answer of a control server. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Asking {
  /** Default 127.0.0.1. */
  readonly host?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal?: AbortSignal;
}

/**
 * Asks a control server as a program on this machine does. Not by `fetch`, which sends `sec-fetch-mode`: the server then suspects
 * a foreign page.
 */
export function ask(port: number, path: string, { body, signal, ...asking }: Asking = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, agent: false, ...asking, ...(signal && { signal }) };
    const asked = request(options, async (response) => {
      let text = '';
      try {
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, text });
      } catch (thrown) {
        reject(thrown as Error);
      }
    });
    asked.on('error', reject).end(body);
  });
}

/** The same for a path that answers JSON. */
export async function operator(port: number, path: string, asking: Asking = {}) {
  const { status, text } = await ask(port, path, asking);
  return { status, body: JSON.parse(text) as Record<string, unknown> };
}
