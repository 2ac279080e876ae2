/** What the user can put right: its text is printed without a stack. */
export class CreateError extends Error {
  override readonly name = 'CreateError';
}
