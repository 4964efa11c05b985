import { networkInterfaces } from 'node:os';

/** The addresses of each network interface of this machine; none where a sandbox does not list them. Never throws. */
export function ownInterfaces(read = networkInterfaces): ReturnType<typeof networkInterfaces> {
  try {
    return read();
  } catch {
    return {};
  }
}
