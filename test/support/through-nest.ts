// Before the tests of the project `through Nest`: see direct-calls.ts.
process.env['TEST_DIRECT_CALLS'] = 'never';
