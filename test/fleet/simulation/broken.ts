import type { Ran } from './simulate.ts';

/** Largest part by which the load of an instance may deviate from its weight. */
const MOST_OFF = 0.1;

/** Further GoAways, as a part of one to each consumer of each instance: lost ones are sent again. */
const MOST_AGAIN = 0.05;

/** Spans of an offline beside those of its GoAways, and the most spans for each GoAway. */
const SPANS_BESIDE = 7;
const MOST_SPANS = 2;

/** Series of one service: each kind of span with each way to end. */
const MOST_SERIES = 20;

/** The broken rules in words; empty when all hold. */
export function broken(ran: Ran): readonly string[] {
  const { shape, results, shutdowns } = ran;
  const { consumers, consumersOfOthers, instances, services } = shape;
  const each = Math.floor(instances / services);
  const told = each * (consumers + (services - 1) * consumersOfOthers);
  const unsuccessful = shutdowns - (results['success'] ?? 0);
  const rules: readonly (readonly [boolean, string])[] = [
    [ran.pickedAfterAck === 0, `requests that were sent after an ack: ${ran.pickedAfterAck}`],
    [ran.arrivedAfterAck === 0, `requests that arrived after an ack: ${ran.arrivedAfterAck}`],
    [ran.lost === 0, `requests that were lost: ${ran.lost}`],
    [ran.panic === 0, `requests to an isolated instance: ${ran.panic}`],
    [shutdowns === each * services, `shutdowns: ${shutdowns} of ${each * services}`],
    [
      ran.lostWhenCut === 0 || unsuccessful > 0,
      `requests were lost and each shutdown was a success: ${ran.lostWhenCut}`,
    ],
    [(ran.offBefore ?? 0) <= MOST_OFF, `load off its weight before the release: ${ran.offBefore}`],
    [(ran.offAfter ?? 0) <= MOST_OFF, `load off its weight after the release: ${ran.offAfter}`],
    [ran.calls <= told * (1 + MOST_AGAIN), `GoAways: ${ran.calls} for ${told} consumers of instances`],
    [ran.spans <= MOST_SPANS * told + SPANS_BESIDE * shutdowns, `spans: ${ran.spans}`],
    [ran.series <= MOST_SERIES * services, `series: ${ran.series} of ${services} services`],
  ];
  return rules.flatMap(([holds, what]) => (holds ? [] : [what]));
}
