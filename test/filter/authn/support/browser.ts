import http from "node:http";

export interface Page {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  readonly location: string;
  readonly reason: string | undefined;
  readonly text: string;
}

export interface Visit {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** What a link, or the address bar, sends along. */
export const navigation = {
  accept: "text/html,application/xhtml+xml,*/*;q=0.8",
  "sec-fetch-mode": "navigate",
  "sec-fetch-dest": "document",
} as const;

/** A proxy that ends TLS stands before what an origin is mapped to. */
const throughProxy = { "x-forwarded-proto": "https" } as const;

/** As much of a browser as a login takes: cookies of each origin, whichever way they are sent. It follows nothing by itself. */
export class Browser {
  readonly #ports: ReadonlyMap<string, number>;
  readonly #jars = new Map<string, Map<string, string>>();

  /** @param ports of this machine that stand for origins; others are reached as they are */
  constructor(ports: Readonly<Record<string, number>>) {
    this.#ports = new Map(Object.entries(ports));
  }

  /** The cookies of an origin. */
  jar(origin: string): Map<string, string> {
    let jar = this.#jars.get(origin);
    if (jar === undefined) {
      jar = new Map();
      this.#jars.set(origin, jar);
    }
    return jar;
  }

  /** Follows a link. */
  visit(url: string, headers: Readonly<Record<string, string>> = {}): Promise<Page> {
    return this.send(url, { headers: { ...navigation, ...headers } });
  }

  /** Sends any request. */
  async send(url: string, { method = "GET", headers = {}, body }: Visit = {}): Promise<Page> {
    const { origin, host, hostname, port, pathname, search } = new URL(url);
    const jar = this.jar(origin);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join("; ");
    const mapped = this.#ports.get(origin);
    const page = await new Promise<Page>((resolve, reject) => {
      const request = http.request(
        {
          host: mapped === undefined ? hostname : "127.0.0.1",
          port: mapped ?? port,
          path: `${pathname}${search}`,
          method,
          headers: {
            host,
            ...(mapped === undefined ? {} : throughProxy),
            ...(cookie === "" ? {} : { cookie }),
            ...headers,
          },
        },
        async (response) => {
          let text = "";
          for await (const chunk of response.setEncoding("utf8")) text += chunk;
          const { location = "", "x-dragoman-reason": reason } = response.headers;
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            location,
            reason: reason === undefined ? undefined : String(reason),
            text,
          });
        },
      );
      request.on("error", reject);
      request.end(body);
    });
    this.keep(origin, page.headers["set-cookie"] ?? []);
    return page;
  }

  /** Keeps cookies as an answer sets them. */
  keep(origin: string, fields: readonly string[]): void {
    const jar = this.jar(origin);
    for (const field of fields) {
      const [, name = "", value = ""] = /^([^=]+)=([^;]*)/.exec(field) ?? [];
      if (/; *max-age=0(?:;|$)/i.test(field) || /expires=Thu, 01 Jan 1970/i.test(field)) jar.delete(name);
      else jar.set(name, value);
    }
  }
}
