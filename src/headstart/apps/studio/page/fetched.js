// What a view asks the server for by itself, and asks again after a change.

import { get } from "./api.js";
import { live } from "./live.js";
import { useEffect, useState } from "./vendor/preact.js";

const CALM = 400; // milliseconds without a change, before the server is asked again

/** `{data, error}`; the old data stay while new ones are on their way. */
export function useFetched(path) {
  const [answer, receive] = useState({});
  const [wanted, want] = useState(live.version);
  useEffect(() => {
    const timer = setTimeout(() => want(live.version), CALM);
    return () => clearTimeout(timer);
  }, [live.version]);
  useEffect(() => {
    let late = false;
    get(path).then(
      (data) => late || receive({ data }),
      ({ message }) => late || receive(({ data }) => ({ data, error: message })),
    );
    return () => (late = true);
  }, [path, wanted]);
  return answer;
}
