package orders

// #region before
func (s *Orders) Pay(ctx context.Context, order string, cents int64) error {
	return s.bus.PublishEnvelope(ctx, "orders", &eventbus.Envelope{
		AggregateID: order, EventType: "OrderPaid", Payload: mustMarshal(OrderPaid{Cents: cents}),
	})
}

func (s *Billing) Start(ctx context.Context) error {
	// One fetcher per topic; the pool gives each aggregate to one of its workers.
	return s.bus.SubscribeEnvelope(ctx, "orders", func(ctx context.Context, e *eventbus.Envelope) error {
		return s.charge(ctx, e.AggregateID, e.Payload) // an error leaves the event to the ack wait, after later ones
	})
}
// #endregion
