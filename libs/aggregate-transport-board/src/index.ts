// The public door: everything a service may use, by name.
export { AggregateBoardError, type AggregateBoardErrorCode } from './errors.js';
