/** Options that set how many other nodes must have stored a write before the node answers (protocol.md §10, Acknowledged by n). */
import type { Command } from 'commander';
import { MAX_ACK_TIMEOUT_MS, MAX_MEMBERS } from '../../domain/limits.ts';
import { CommandError, EXIT } from '../exit-codes.ts';
import { wholeNumber } from '../option-values.ts';

export interface AcksOptions {
  readonly acks?: number;
  readonly ackTimeoutMs?: number;
}

export function defineAcks(command: Command): Command {
  return command
    .option('--acks <n>', 'number of other nodes that must have stored the write before the node answers', wholeNumber(0, MAX_MEMBERS))
    .option('--ack-timeout-ms <ms>', 'how long the node waits for the other nodes', wholeNumber(1, MAX_ACK_TIMEOUT_MS));
}

/** @throws CommandError with EXIT.usage */
export function acksOf({ acks, ackTimeoutMs }: AcksOptions) {
  if (ackTimeoutMs !== undefined && acks === undefined) throw new CommandError('--ack-timeout-ms needs --acks', EXIT.usage);
  return { ...(acks === undefined ? {} : { acks }), ...(ackTimeoutMs === undefined ? {} : { ackTimeoutMs }) };
}
