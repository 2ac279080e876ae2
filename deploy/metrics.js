// Loaded before a service (`node --import ./deploy/metrics.js …`): what it measures is served for Prometheus on
// METRICS_PORT, by default 9464, under /metrics.
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

const reader = new PrometheusExporter({ port: Number(process.env['METRICS_PORT'] ?? 9464) });
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
