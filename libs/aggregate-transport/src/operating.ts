// The door for tools of operators: the command line, the board and others work through it.
export type {
  AggregateInGroup,
  CommandOptions,
  ConnectedOperations,
  FoundAggregate,
  GroupAddress,
  GroupFilter,
  GroupStand,
  LetterList,
  LetterPage,
  Operations,
  ParkedList,
  ParkedPage,
  RetryAllOptions,
  SearchOptions,
  ShownLetter,
  TopicOnServer,
} from './operations/operations.js';
export { connectOperations } from './operations/connect-operations.js';
export type { ConnectOperationsOptions } from './operations/connect-options.js';
export type { AddOnCommands, AddOnSurroundings } from './cli/command/add-on-commands.js';
export type { AccessFlags } from './cli/command/access-flags.js';
export type { Terminal } from './cli/command/terminal.js';
export type {
  Asked,
  AskGroupOptions,
  AskOptions,
  LiveAggregate,
  LiveAggregateView,
  LiveGroup,
  LivePartition,
  LiveProblem,
  LiveReplica,
} from './operations/live.js';
export type {
  AggregateOptions,
  AggregateView,
  EditedEntry,
  EventStand,
  FailedEntry,
  LetterEntry,
  ParkedEntry,
  RunningEntry,
  SkippedEntry,
  StoredEntry,
  TimelineEntry,
} from './operations/timeline.js';
export type {
  AggregateAnswer,
  AggregateState,
  Answer,
  ErrorAnswer,
  GroupAnswer,
  HandlerTimes,
  OneAggregateAnswer,
  ParkedAnswer,
  PartitionAnswer,
  PauseAnswer,
  ProblemAnswer,
  Question,
  TroubleCounts,
} from './asking/answers.js';
export type { ParkReason } from './message/park-reason.js';
export type { AggregatePlace, ParkedPlace } from './operating/aggregates/aggregate-places.js';
export type { StreamStand } from './operating/server/server-ports.js';
export type { CommandResult } from './operating/commands/operator-commands.js';
export type { RetryAllProgress, RetryAllResult } from './operating/commands/retry-each.js';
export type { LetterSummary, ParkedSummary } from './operating/commands/parked-summary.js';
export type { AsideAggregate } from './operating/groups/catch-up.js';
export type { FollowOptions, FollowSample, GroupLag } from './operating/groups/follow.js';
export type {
  GroupChange,
  GroupCondition,
  GroupDetails,
  GroupPartition,
  GroupSummary,
} from './operating/groups/group-state.js';
export type {
  ChangeResult,
  ChangeState,
  DeletionResult,
  GroupChangeOptions,
  RepartitionResult,
  ResetOptions,
  ResetResult,
} from './operating/groups/groups.js';
export type { OperationStep, ProgressListener } from './operating/groups/patience.js';
export type { StatusRow } from './operating/groups/status-rows.js';
export type { LetterFilter } from './operating/letters/letter-filter.js';
