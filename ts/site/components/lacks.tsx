// What the browser does not have, what does not work therefore, and what to do.

import { lacks } from "../state.js";

export function Lacks() {
  return (
    <>
      {lacks.value.map(({ what, effect, remedy, headers, isFatal }) => (
        <section
          class={isFatal ? "lack is-fatal" : "lack"}
          key={what}
          role={isFatal ? "alert" : undefined}
        >
          <h2>{what}</h2>
          <p>{effect}</p>
          <p>{remedy}</p>
          {headers && (
            <>
              <pre>{headers.join("\n")}</pre>
              <p>
                <code>npm run site</code> serves the page with them. Of nginx it is{" "}
                <code>add_header</code>, of Apache <code>Header set</code>, of Vite{" "}
                <code>server.headers</code>.
              </p>
            </>
          )}
        </section>
      ))}
    </>
  );
}
