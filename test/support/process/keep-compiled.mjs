/** Preloaded into children of tests: keeps what they have compiled by then, because one that ends by a signal would not. */
import { flushCompileCache } from 'node:module';

setTimeout(flushCompileCache, 700).unref();
