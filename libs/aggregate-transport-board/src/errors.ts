import { CodedError } from 'nestjs-aggregate-transport';

/** Every reason this library can give. A code is never reused for another meaning. */
export type AggregateBoardErrorCode =
  // wiring, reported at start-up
  | 'BOARD_OPTIONS_INVALID'
  | 'BOARD_ADDRESS_UNAVAILABLE'
  | 'BOARD_PAGES_MISSING'
  // the way to the server
  | 'BOARD_DISCONNECTED'
  // one request, answered with a status of HTTP
  | 'BOARD_FORBIDDEN'
  | 'BOARD_REQUEST_INVALID'
  | 'BOARD_NOT_FOUND'
  | 'BOARD_BUSY';

/** The base of every error this library throws or answers with. */
export class AggregateBoardError extends CodedError<AggregateBoardErrorCode> {
  /** The name of the class, which stacks show. Decide on `code`. */
  override readonly name: string = 'AggregateBoardError';
}
