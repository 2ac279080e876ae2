import { useLayoutEffect, useRef, useState } from 'preact/hooks';

/** A text field of a page. */
export interface Field {
  readonly text: string;
  /** Takes what was typed. */
  readonly type: (text: string) => void;
  /** What was typed is asked for from now on. */
  readonly send: () => void;
}

/** Shows what the page asks for. What was typed since the last sending stays, however the page changes meanwhile. */
export function useField(asked: string): Field {
  const [text, setText] = useState(asked);
  const isTyping = useRef(false);
  // In the same step as the page, so that no key is typed between them.
  useLayoutEffect(() => {
    if (!isTyping.current) setText(asked);
  }, [asked]);
  return {
    text,
    type: (typed) => {
      isTyping.current = true;
      setText(typed);
    },
    send: () => {
      isTyping.current = false;
    },
  };
}
