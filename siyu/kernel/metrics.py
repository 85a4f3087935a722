"""Figures about the running program for `/metrics` (Prometheus); never about a person or a shop."""

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, generate_latest

requests = Histogram(
    "siyu_http_seconds",
    "Time to answer a request",
    ["lane", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.3, 1, 3, 10),
)
weather = Counter("siyu_db_weather_total", "Transient database failures", ["kind"])
jobs = Counter("siyu_jobs_total", "Jobs run", ["job", "outcome"])
deliveries = Counter("siyu_deliveries_total", "Reactions to events", ["reaction", "outcome"])
queue_reconnects = Counter("siyu_queue_reconnects_total", "Times the job queue was lost")
waiting = Gauge("siyu_jobs_waiting", "Due jobs that wait", ["job"])
unknown = Gauge("siyu_jobs_unknown", "Waiting jobs this program does not know", ["job"])
dead = Gauge("siyu_dead", "Dead jobs and deliveries", ["kind"])
hot_lanes = Gauge("siyu_hot_lanes", "SKUs whose orders are worked off together now")
hot_batches = Histogram(
    "siyu_hot_batch_orders", "Orders per batch of the hot lane", buckets=(1, 2, 4, 16, 64, 128, 256)
)
hot_orders = Counter("siyu_hot_orders_total", "Orders that came by the hot lane", ["outcome"])
broken_truths = Gauge("siyu_broken_truths", "Truths of the data that do not hold")
outbox_lag = Gauge("siyu_outbox_lag_seconds", "Age of the oldest unread event", ["consumer"])


def render() -> bytes:
    """The text that Prometheus reads."""
    return generate_latest(REGISTRY)
