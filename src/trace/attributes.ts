import type { WorkRecord } from '../lifecycle/records.ts';
import type { Identity } from '../protocol/identity.ts';
import { ALSO, ATTR, type AttributeName, type Attributes, type AttributeValue, SPANS } from './model/schema.ts';

/** The resource of the spans. An instance id that the user gives joins them with the application's own spans. */
export function resourceOf({ service, instanceId }: Identity, more: Attributes): Attributes {
  return { 'service.instance.id': instanceId, ...more, 'service.name': service };
}

/** On every span, at its creation. */
export function identityOf({ service, instanceId, generation }: Identity): Attributes {
  return { [ATTR.service]: service, [ATTR.instanceId]: instanceId, [ATTR.generation]: generation };
}

/** The attributes that a record adds to its span. Only here do milliseconds become seconds and a failure an attribute. */
export function attributesOf(record: WorkRecord): Attributes {
  const names: Readonly<Record<string, AttributeName>> = SPANS[record.work].attributes;
  const attributes: Record<string, AttributeValue> = {};
  for (const [fact, value] of Object.entries<AttributeValue | undefined>(record.facts)) {
    const name = names[fact];
    if (name === undefined || value === undefined) continue;
    const said = typeof value === 'number' && fact.endsWith('Ms') ? value / 1_000 : value;
    attributes[name] = said;
    const also = ALSO[name];
    if (also !== undefined) attributes[also] = said;
  }
  if (record.kind === 'ended' && record.failure !== undefined) attributes[ATTR.errorType] = record.failure.type;
  return attributes;
}
