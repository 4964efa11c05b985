import type { PeerCertificate, SecureContext } from 'node:tls';
import { plainAddress } from './host-port.ts';

/** What a control port shows and whom it trusts, as text (PEM). */
export interface Material {
  readonly cert: string;
  readonly key: string;
  /** Nobody else is trusted: not the authorities of the system either. */
  readonly ca: string;
}

/** Material whose key and certificate fit. */
interface Usable extends Material {
  readonly context: SecureContext;
}

/**
 * Makes material usable.
 *
 * @throws Error when it is no PEM, or the key is not the certificate's
 */
export function usable(material: Material): Usable {
  for (const [name, text] of Object.entries(material))
    if (!/-----BEGIN [A-Z ]+-----/.test(text)) throw new Error(`the text of \`${name}\` is not PEM`);
  return { ...material, context: tls().createSecureContext({ ...material }) };
}

/** How control ports speak TLS: what this process shows as a server and as a client, and whom it believes. */
export class ControlTls {
  readonly #current: () => Usable;
  readonly #name: string | undefined;
  /** Whoever sends GoAways or operates must show a certificate. */
  readonly clientAuth: boolean;

  /**
   * @param current what is to be used now
   * @param name what every certificate must name; undefined: the address that is called
   */
  constructor(current: () => Usable, name: string | undefined, clientAuth: boolean) {
    this.#current = current;
    this.#name = name;
    this.clientAuth = clientAuth;
  }

  /** What a server shows; the same object as long as it is the same. */
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
      // An address is no server name (RFC 6066, 3).
      servername: isIP(name) === 0 ? name : '',
      checkServerIdentity: (_: string, shown: PeerCertificate) => tls().checkServerIdentity(name, shown),
    };
  }
}

/** Loaded when it is used: most processes speak no TLS here. */
function tls(): typeof import('node:tls') {
  return process.getBuiltinModule('node:tls');
}
