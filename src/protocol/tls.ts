import type { PeerCertificate, SecureContext } from 'node:tls';
import { plainAddress } from './host-port.ts';

/** Certificate, key and trusted authorities of a control port, as text (PEM). */
export interface Material {
  readonly cert: string;
  readonly key: string;
  /** The only trusted authorities; those of the system are not. */
  readonly ca: string;
}

/** Material whose key and certificate match. */
interface Usable extends Material {
  readonly context: SecureContext;
}

/**
 * Makes material usable.
 *
 * @throws Error when it is not PEM, or the key does not match the certificate
 */
export function usable(material: Material): Usable {
  for (const [name, text] of Object.entries(material))
    if (!/-----BEGIN [A-Z ]+-----/.test(text)) throw new Error(`the text of \`${name}\` is not PEM`);
  return { ...material, context: tls().createSecureContext({ ...material }) };
}

/** TLS of control ports: the certificate of this process as server and client, and the trusted authorities. */
export class ControlTls {
  readonly #current: () => Usable;
  readonly #name: string | undefined;
  /** Senders of GoAways and operators must present a certificate. */
  readonly clientAuth: boolean;

  /**
   * @param current returns the current material
   * @param name the name that every certificate must contain; undefined: the called address
   */
  constructor(current: () => Usable, name: string | undefined, clientAuth: boolean) {
    this.#current = current;
    this.#name = name;
    this.clientAuth = clientAuth;
  }

  /** Context of a server; the same object until the material changes. */
  get material(): Material {
    return this.#current();
  }

  /** Options of a connection to the control server at `host`. */
  connection(host: string) {
    const { cert, key, ca, context } = this.#current();
    const name = this.#name ?? plainAddress(host);
    const { isIP } = process.getBuiltinModule('node:net');
    return {
      cert,
      key,
      ca,
      secureContext: context,
      // An address is not a server name (RFC 6066, 3).
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_: string, shown: PeerCertificate) => tls().checkServerIdentity(name, shown),
    };
  }
}

/** Loaded when it is used: most processes speak no TLS here. */
function tls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}
