import { isAbsolute, relative, sep } from 'node:path';

/** Does a path lie inside a folder, or is it that folder? Both as they are written: links are not followed. */
export function isInside(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
