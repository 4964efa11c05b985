import 'reflect-metadata';
import { Controller, Inject, Injectable, Module, type OnApplicationShutdown, Post, Sse } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { type Departure, leaving, waitUntil } from 'lossless-lifecycle';
import { fromEvent, interval, map, takeUntil } from 'rxjs';
import { send } from '../mail.js';
import { LosslessModule, type OnOffline } from './lossless.module.ts';

@Injectable()
class Mails implements OnOffline, OnApplicationShutdown {
  /** The caller does not wait for the mail, but the instance does. */
  queue(order: string): void {
    void waitUntil(send(order), 'mail');
  }

  /** Begins with the offline, and closes the connection after the last request and task. */
  async onOffline({ drained }: Departure): Promise<void> {
    await drained;
    console.log('connection to the mail server closed');
  }

  /** Nest hears the signal when the instance has left. */
  onApplicationShutdown(signal?: string): void {
    console.log(`Nest ends by ${signal}`);
  }
}

@Controller()
class Orders {
  constructor(@Inject(Mails) private readonly mails: Mails) {}

  @Post('orders')
  create(): string {
    this.mails.queue('order 7');
    return 'ordered';
  }

  /** The stream of events ends when the instance leaves: the browser connects again and finds another instance. */
  @Sse('ticks')
  ticks() {
    return interval(100).pipe(
      map((n) => ({ data: `tick ${n}` })),
      takeUntil(fromEvent(leaving(), 'abort')),
    );
  }
}

@Module({ imports: [LosslessModule], controllers: [Orders], providers: [Mails] })
class Application {}

const app = await NestFactory.create(Application, { logger: false });
app.enableShutdownHooks();
await app.listen(Number(process.env.PORT ?? 8080), '127.0.0.1');
