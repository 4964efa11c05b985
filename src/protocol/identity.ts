/** The identity of an instance on the wire. */
export interface Identity {
  readonly service: string;
  /** One per address and process. */
  readonly instanceId: string;
  /** Start of the process, milliseconds since the Unix epoch. */
  readonly generation: number;
}

/** A caller, from its request header. */
export interface Caller extends Identity {
  /** Port of its control server, at the address the request came from. */
  readonly port: number;
  /** Another address for GoAways; used only with a valid signature. */
  readonly host?: string;
  /** Its control server speaks TLS. */
  readonly tls?: boolean;
}

/** The body of a GoAway: the leaving instance. */
export interface GoAway {
  readonly provider: Identity & {
    /** `host:port` as registered. */
    readonly address: string;
    /** All its ports at that host, including the one of `address`. Absent in GoAways of 0.1.0: only that one. */
    readonly ports?: readonly number[];
  };
  /** How long to keep the isolation without a renewal, in milliseconds. */
  readonly expiresInMs: number;
}

/** First line of the answer: the provider is isolated here. */
export interface Ack {
  readonly isolated: true;
  /** Requests of this consumer to the provider that are not finished. */
  readonly outstanding: number;
  /** Other instances of the service that it can call; absent when it does not call the service any more. */
  readonly others?: number;
  /** The consumer has no list of that service, so it isolates nothing and makes no span. */
  readonly unused?: true;
  /** Version and zone of this consumer, as far as they are known; absent in the ack of 0.1.0. */
  readonly version?: string;
  readonly zone?: string;
}

/** Second line: nothing is outstanding any more, and the consumer has another instance to call or does not call the service. */
export interface Idle {
  readonly idle: true;
  /** `host:port` of the instances that can be picked now; at most 100. */
  readonly addresses: readonly string[];
  /** The consumer does not call the service any more, so an empty list is no loss for it. */
  readonly unused?: boolean;
}
