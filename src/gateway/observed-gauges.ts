import type { Meter } from "#telemetry";
import type { LiveState } from "./live-state.ts";

/** Shows, when somebody looks, what counts itself: endpoints, connections, the process. */
export function observeGateway(
  meter: Meter,
  live: LiveState,
  counts: { readonly connections: () => number; readonly webSockets: () => number },
): void {
  meter.observedGauge(
    "dragoman_endpoint_ready",
    "1 when calls may go to an endpoint.",
    function* () {
      for (const [upstream, { channel }] of live.upstreams) {
        for (const { address, state } of channel.endpoints)
          yield [{ upstream, endpoint: address }, state === "ready" ? 1 : 0];
      }
    },
    "min",
  );
  meter.observedGauge(
    "dragoman_event_loop_delay_seconds",
    "How late the process is, where it is watched.",
    () => (live.loopDelay === undefined ? [] : [[{}, live.loopDelay / 1000]]),
    "max",
  );
  meter.observedGauge("dragoman_connections", "Connections of clients.", () => [[{}, counts.connections()]]);
  meter.observedGauge("dragoman_websockets", "WebSockets that are open.", () => [[{}, counts.webSockets()]]);
  observeProcess(meter);
}

/** Shows what this process takes of the machine. */
export function observeProcess(meter: Meter): void {
  meter.observedGauge("process_resident_memory_bytes", "Memory of the process.", () => [
    [{}, process.memoryUsage.rss()],
  ]);
  meter.observedCounter("process_cpu_seconds_total", "CPU time of the process.", () => {
    const { user, system } = process.cpuUsage();
    return [[{}, (user + system) / 1e6]];
  });
}
