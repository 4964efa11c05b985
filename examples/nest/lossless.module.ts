// A module of Nest: each provider with a method `onOffline` takes part in the offlines of its instance.
import { Inject, Module, type OnApplicationBootstrap } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService } from '@nestjs/core';
import { type Departure, onOffline } from 'lossless-lifecycle';

export interface OnOffline {
  onOffline(departure: Departure): unknown;
}

@Module({ imports: [DiscoveryModule] })
export class LosslessModule implements OnApplicationBootstrap {
  constructor(@Inject(DiscoveryService) private readonly discovery: DiscoveryService) {}

  onApplicationBootstrap(): void {
    for (const { name, instance } of this.discovery.getProviders())
      if (typeof instance?.onOffline === 'function')
        onOffline(String(name), (departure) => instance.onOffline(departure));
  }
}
