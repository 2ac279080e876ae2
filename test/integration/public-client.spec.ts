import { PUBLIC_CLIENT_ONLY } from '#library/stream/clients/frames-of.js';
import './batching.spec.js';
import './expected-sequence.spec.js';
import './refused-publishes.spec.js';
import './stream/permissions.spec.js';

// The specs about publishing once more, with nothing of the client but its public interface. It is read per connection.
process.env[PUBLIC_CLIENT_ONLY] = '1';
