// A plugin of typedoc: the names of each entry point in the groups of `groups.mjs`, and the documents by their
// headings, in chapters. What has no group is an error.

import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Converter, ReflectionCategory, ReflectionKind } from "typedoc";
import { CHAPTERS, GROUPS, groupOf } from "./groups.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** Behind what sorts an entry point's names by kind, and before what would put them into categories by their tags. */
const AFTER_SORTING = -150;

export function load(app) {
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_context, document) => {
    document.name = headingOf(document) ?? document.name;
  });
  app.converter.on(
    Converter.EVENT_RESOLVE_END,
    ({ project }) => {
      for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
        module.categories = groupsOf(project, module, app.logger);
      }
      project.categories = chaptersOf(project);
    },
    AFTER_SORTING,
  );
}

/** A document's first heading, without its marks. */
function headingOf(document) {
  const text = document.content.map((part) => part.text).join("");
  return /^# (.+)$/m.exec(text)?.[1].replaceAll(/[`_*]/g, "");
}

/** The names of an entry point, by their groups, in the order of the table. */
function groupsOf(project, module, logger) {
  const members = new Map();
  for (const declaration of module.children ?? []) {
    const target = declaration.isReference() ? declaration.getTargetReflectionDeep() : declaration;
    const path = project.getSymbolIdFromReflection(target)?.packagePath ?? "?";
    const title = groupOf(module.name, path);
    if (title === undefined) {
      logger.error(
        `${declaration.name} of ${module.name} is in no group: give ${path} one in scripts/api-pages/groups.mjs`,
      );
      continue;
    }
    members.set(title, [...(members.get(title) ?? []), declaration]);
  }
  return (GROUPS[module.name] ?? [])
    .filter(({ title }) => members.has(title))
    .map(({ title, about }) => categoryOf(title, members.get(title), about));
}

/** The documents in their chapters, and the entry points before what is about the project itself. */
function chaptersOf(project) {
  const chapters = CHAPTERS.map(({ title }) => categoryOf(title, []));
  for (const document of project.documents ?? []) {
    const path = relative(root, project.files.getReflectionPath(document) ?? root);
    const index = CHAPTERS.findIndex(({ holds }) => holds(path));
    chapters[index]?.children.push(document);
  }
  chapters.splice(-1, 0, categoryOf("API", project.children ?? []));
  return chapters.filter(({ children }) => children.length > 0);
}

function categoryOf(title, children, about) {
  const category = new ReflectionCategory(title);
  category.children = children;
  if (about !== undefined) category.description = [{ kind: "text", text: about }];
  return category;
}
