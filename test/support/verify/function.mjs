let calls = 0;

// What a user gives to `verify --handlers`: a function. One in fifty calls fails, in a way that no plan asked for.
async function handle({ aggregateId, number, type, payload }, context) {
  if (type !== 'Verified' || payload === undefined || context.aggregateId !== aggregateId || number < 1)
    throw new Error('not what was promised');
  if (++calls % 50 === 0) throw new TypeError('the shop is closed');
}

export { handle as default };
