import { describe, expect, test } from 'vitest';
import { causeOf, type Said } from '../../../../src/trace/model/cause.ts';
import { ATTR } from '../../../../src/trace/model/schema.ts';
import type { Span } from '../../../../src/trace/model/trace.ts';

type Tags = Span['tags'];

function span(tags: Tags, message = ''): Span {
  return {
    spanId: 'a',
    parentSpanId: '',
    name: '',
    service: '',
    start: 0,
    durationMs: 0,
    isError: true,
    message,
    tags,
  };
}

function said(parts: { root?: Tags; drain?: Tags; stop?: Tags; entry?: Tags; message?: string }): Said {
  const { message, root, drain, stop, entry } = parts;
  return {
    root: span(root ?? {}, message),
    drain: drain && span(drain),
    stop: stop && span(stop),
    entry: entry && span(entry),
  };
}

describe('the cause of a shutdown that ended badly', () => {
  test.each([
    [
      'callers without the plugin kept coming',
      { root: { [ATTR.unmanaged]: 335 }, drain: { [ATTR.inflightEnd]: 0 }, stop: { [ATTR.socketsForced]: 0 } },
      'the grace period ended with 335 requests of callers without the plugin, which get no GoAway',
      'LosslessDrainTimedOut',
    ],
    [
      'the instance cut requests',
      { drain: { [ATTR.inflightEnd]: 2 }, stop: { [ATTR.socketsForced]: 2 } },
      'the grace period ended with 2 connections cut while busy; 2 requests in flight',
      'LosslessRequestsCut',
    ],
    [
      'a consumer stayed busy',
      { root: { [ATTR.fanoutAcked]: 3 }, drain: { [ATTR.consumersIdle]: 2 } },
      'the grace period ended with 1 consumer not idle',
      'LosslessDrainTimedOut',
    ],
    ['the reason is unknown', {}, 'the grace period ended before all traffic had ended', 'LosslessDrainTimedOut'],
  ])('of a timeout: %s', (_, parts, text, runbook) => {
    expect(causeOf('timeout', said(parts))).toEqual({ text, runbook });
  });

  test.each([
    [
      'consumers that missed the GoAway',
      { root: { [ATTR.fanoutAcked]: 1, [ATTR.fanoutPlanned]: 2 } },
      'LosslessFanOutIncomplete',
    ],
    [
      'a registry that did not confirm',
      { root: { [ATTR.deregisterResult]: 'unconfirmed' } },
      'LosslessDeregistrationNotConfirmed',
    ],
    [
      'clients that came as the instance stopped, whose balancer did not know either',
      { entry: { [ATTR.entryTold]: false }, stop: { [ATTR.errorType]: 'reset' } },
      'LosslessRequestsReset',
    ],
    ['a balancer that did not know', { entry: { [ATTR.entryTold]: false } }, 'LosslessEntryNotTold'],
    ['callers that kept coming', { entry: { [ATTR.entryEndedBy]: 'coming' } }, 'LosslessEntryStillSending'],
    ['anything else', {}, undefined],
  ])('a result incomplete because of %s leads to its page', (_, parts, runbook) => {
    expect(causeOf('incomplete', said({ ...parts, message: 'why' }))).toEqual({ text: 'why', runbook });
  });

  test('other results repeat the message of their root, and an unknown result its name', () => {
    expect(causeOf('killed', said({}))?.text).toMatch(/^the end of the shutdown never arrived/);
    expect(causeOf('killed', said({ message: 'while it drained' }))).toEqual({
      text: 'while it drained',
      runbook: 'LosslessShutdownTruncated',
    });
    expect(causeOf('constructor', said({}))).toEqual({
      text: 'the shutdown ended with the result constructor',
      runbook: undefined,
    });
    for (const result of ['success', 'cancelled', 'never_ready', 'missing'])
      expect(causeOf(result, said({}))).toBeUndefined();
  });
});
