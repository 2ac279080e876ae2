import { AggregateGroups } from './aggregate-groups.js';
import { AggregateOperations } from './aggregate-operations.js';
import { Aggregates } from './aggregates.js';
import { ParkedAggregates } from './parked-aggregates.js';

/** What both modules, the real one and that for tests, provide to operate the transport. */
export const OPERATORS = [ParkedAggregates, AggregateGroups, Aggregates, AggregateOperations];
