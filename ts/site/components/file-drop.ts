// A file that is dropped anywhere on the page is the image.

import { useEffect, useState } from "preact/hooks";
import { phase, sourceForm } from "../state.js";

/** Takes files; true while one is held over the page. */
export function useFileDrop(refuse: (why: Error) => void): boolean {
  const [isOver, setOver] = useState(false);
  useEffect(() => {
    const over = (event: DragEvent): void => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      setOver(true);
    };
    const leave = (event: DragEvent): void => {
      if (event.relatedTarget === null) setOver(false);
    };
    const drop = (event: DragEvent): void => {
      const { files, items } = event.dataTransfer ?? {};
      const file = files?.[0];
      if (files === undefined || file === undefined) return;
      event.preventDefault();
      setOver(false);
      const isFolder = items?.[0]?.webkitGetAsEntry()?.isDirectory === true;
      if (files.length > 1)
        refuse(new Error(`${files.length} files were dropped: a disc is made of one.`));
      else if (isFolder) refuse(new Error(`${file.name} is a folder: a disc is made of a file.`));
      else if (phase.value === "empty")
        sourceForm.value = { ...sourceForm.value, kind: "file", file };
      else refuse(new Error("A disc is exported already: stop it, then drop the file again."));
    };
    document.addEventListener("dragover", over);
    document.addEventListener("dragleave", leave);
    document.addEventListener("drop", drop);
    return () => {
      document.removeEventListener("dragover", over);
      document.removeEventListener("dragleave", leave);
      document.removeEventListener("drop", drop);
    };
  }, [refuse]);
  return isOver;
}
