/** Who an instance is, wherever it is named on the wire. */
export interface Identity {
  readonly service: string;
  /** One per address and process. */
  readonly instanceId: string;
  /** Start of the process, milliseconds since the Unix epoch. */
  readonly generation: number;
}

/** A caller as its request header names it. */
export interface Caller extends Identity {
  /** Port of its control server, at the address the request came from. */
  readonly port: number;
  /** Another address to notify; believed only with a valid signature. */
  readonly host?: string;
  /** Its control server speaks TLS. */
  readonly tls?: boolean;
}

/** The body of a GoAway: who leaves. */
export interface GoAway {
  readonly provider: Identity & {
    /** `host:port` as registered. */
    readonly address: string;
    /** All its ports at that host, the one of `address` among them. Absent: that alone, as 0.1.0 says it. */
    readonly ports?: readonly number[];
  };
  /** How long to keep the isolation when nothing renews it, in milliseconds. */
  readonly expiresInMs: number;
}

/** First line of the answer: the provider is isolated here. */
export interface Ack {
  readonly isolated: true;
  /** Requests of this consumer to the provider that are not finished. */
  readonly outstanding: number;
  /** Other instances of the service that it can call; absent when it does not call the service any more. */
  readonly others?: number;
  /** It has no list of that service, so nothing is isolated and there is no span of it. */
  readonly unused?: true;
  /** Version and zone of this consumer, as far as they are known; absent in the ack of 0.1.0. */
  readonly version?: string;
  readonly zone?: string;
}

/** Second line: nothing is outstanding any more, and the consumer has somebody else to call, or calls nobody. */
export interface Idle {
  readonly idle: true;
  /** `host:port` of the instances that can be picked now; at most 100. */
  readonly addresses: readonly string[];
  /** The consumer does not call the service any more, so an empty list leaves it without nothing. */
  readonly unused?: boolean;
}
