/** The first page of the admin: what a person wants to know at a glance, from the same API that scripts read. */
export const statusPage = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Dragoman</title>
<style>
  :root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
  body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
  h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; }
  code { font: 13px ui-monospace, monospace; } .good { color: #17803d; } .bad { color: #c02626; }
</style>
<h1>Dragoman <span id="ready"></span></h1>
<h2>Upstreams</h2><table id="upstreams"></table>
<h2>Problems</h2><table id="problems"></table>
<h2>Routes</h2><table id="routes"></table>
<p><a href="/metrics">metrics</a> · <a href="/api/config">config</a> · <a href="/api/schema">schema</a></p>
<script>
  const cell = (text, kind) => { const td = document.createElement("td"); td.textContent = text ?? ""; if (kind) td.className = kind; return td; };
  const fill = (id, head, rows) => {
    const table = document.getElementById(id); table.replaceChildren();
    const tr = document.createElement("tr");
    for (const name of head) { const th = document.createElement("th"); th.textContent = name; tr.append(th); }
    table.append(tr);
    for (const row of rows) { const line = document.createElement("tr"); line.append(...row); table.append(line); }
  };
  const get = async (path) => (await fetch(path)).json();
  async function show() {
    try {
      const [ready, upstreams, schema, routes] = await Promise.all([get("/readyz"), get("/api/upstreams"), get("/api/schema"), get("/api/routes")]);
      const state = document.getElementById("ready");
      state.textContent = ready.status + (ready.reasons ? ": " + ready.reasons.join("; ") : "");
      state.className = ready.reasons ? "bad" : "good";
      fill("upstreams", ["upstream", "endpoint", "connection", "health"], upstreams.flatMap((up) => up.endpoints.map((end) =>
        [cell(up.name), cell(end.address), cell(end.state, end.state === "ready" ? "good" : "bad"), cell(end.health)])));
      fill("problems", ["where", "what"], schema.problems.map((p) => [cell([p.file, p.line, p.column].filter(Boolean).join(":")), cell(p.message, p.severity === "error" ? "bad" : "")]));
      fill("routes", ["HTTP", "path", "method", "upstream", "who"], routes.map((r) => [cell(r.httpMethod), cell(r.path), cell(r.method), cell(r.upstream), cell(r.access)]));
    } catch { document.getElementById("ready").textContent = "does not answer"; }
  }
  show(); setInterval(show, 2000);
</script>
</html>
`;
