import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { BoardCommand } from '../../src/commands/board-command.js';
import { send } from '../live/send.js';

/** A command with the words that ask for it. */
export interface Asked {
  readonly command: BoardCommand;
  readonly title: string;
  /** What happens. */
  readonly text: ComponentChildren;
  /** What is lost for good; undefined if nothing is. It has to be ticked. */
  readonly lost?: ComponentChildren;
  /** The words of the button. */
  readonly verb: string;
}

/** A dialog that names what a command does and what is lost, before it is sent. Escape and Cancel change nothing. */
function Confirm({ asked, close }: { readonly asked: Asked; readonly close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isTicked, setTicked] = useState(false);
  const [isSending, setSending] = useState(false);
  const [refusal, setRefusal] = useState<string | undefined>(undefined);
  // It opens with the click that asks for it: no key goes to the page between them.
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // The browser gives the focus back to the button, also where the dialog ends by its command. Only it may: once the
    // end of a dialog is heard of here, someone may have gone on.
    return () => shown?.close();
  }, []);
  const submit = async (): Promise<void> => {
    setSending(true);
    const failure = await send(asked.command);
    if (failure === undefined) close();
    else {
      setRefusal(failure.text);
      setSending(false);
    }
  };
  const isDangerous = asked.lost !== undefined;
  return (
    <dialog ref={dialog} class="confirm" aria-labelledby="confirm-title" onClose={close}>
      <h2 id="confirm-title">{asked.title}</h2>
      <div>{asked.text}</div>
      {isDangerous ? (
        <label class="lost">
          <input
            type="checkbox"
            checked={isTicked}
            onChange={(event) => setTicked(event.currentTarget.checked)}
          />
          <span>{asked.lost}</span>
        </label>
      ) : null}
      {refusal === undefined ? null : (
        <p class="refusal" role="alert">
          {refusal}
        </p>
      )}
      <div class="buttons">
        <button type="button" onClick={() => dialog.current?.close()} autofocus>
          Cancel
        </button>
        <button
          type="button"
          class={isDangerous ? 'danger' : 'primary'}
          disabled={isSending || (isDangerous && !isTicked)}
          onClick={() => void submit()}
        >
          {asked.verb}
        </button>
      </div>
    </dialog>
  );
}

/** Opens and closes the dialog of a page. Each asking has a dialog of its own: the end of one closes no other. */
export function useConfirm(): { readonly ask: (asked: Asked) => void; readonly dialog: ComponentChildren } {
  const [asking, setAsking] = useState<{ readonly id: number; readonly asked: Asked } | undefined>(undefined);
  const last = useRef(0);
  const ask = (asked: Asked): void => setAsking({ id: ++last.current, asked });
  const close = (id: number): void => setAsking((now) => (now?.id === id ? undefined : now));
  const dialog =
    asking === undefined ? null : (
      <Confirm key={asking.id} asked={asking.asked} close={() => close(asking.id)} />
    );
  return { ask, dialog };
}
