// A file that fails when it is loaded.
export const port = new URL(process.env['NO_SUCH_SETTING'] ?? 'no address').port;
