// The public door: everything a service may use, by name.
export { AggregateBoardError, type AggregateBoardErrorCode } from './errors.js';
export { AggregateBoardModule, type AggregateBoardOptions } from './nest/aggregate-board.module.js';
export type { BoardSettings } from './options.js';
