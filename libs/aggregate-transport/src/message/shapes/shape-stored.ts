import type { StoredEvent } from '../stored-event.js';
import { payloadRefused, VersionNewerError } from './shape-errors.js';
import { shapePayload } from './shaped-payload.js';
import type { TopicShapes } from './topic-shapes.js';

/**
 * A stored event in its declared version, with the payload that handlers get.
 * @throws PAYLOAD_INVALID, VERSION_NEWER
 */
export async function shapeStored(event: StoredEvent, shapes: TopicShapes): Promise<StoredEvent> {
  const { type, version } = event;
  const shape = shapes.find(type);
  if (shape === undefined) return event;
  if (version > shape.version) throw new VersionNewerError({ type, version }, shape.version);
  const { fault, payload } = await shapePayload(shape, version, event.payload);
  if (fault !== undefined) throw payloadRefused({ type, version }, fault);
  return { ...event, version: shape.version, payload };
}
