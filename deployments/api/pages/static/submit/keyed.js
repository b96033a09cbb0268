// A list whose elements are kept as long as their items: focus and a half-typed number survive other changes.

/** Returns a function that updates the children of `container` to match a list of items (each with a `key`). */
export function keyed(container, make, update) {
  const elements = new Map();
  return (items) => {
    const wanted = new Set(items.map((item) => item.key));
    for (const [key, element] of elements) {
      if (wanted.has(key)) continue;
      element.remove();
      elements.delete(key);
    }
    items.forEach((item, index) => {
      if (!elements.has(item.key)) {
        elements.set(item.key, make(item));
        container.append(elements.get(item.key));
      }
      update(elements.get(item.key), item, index);
    });
  };
}

/** The first element of a `<template>`. */
export function fromTemplate(id) {
  return document.getElementById(id).content.firstElementChild.cloneNode(true);
}

/** Shows a value in a field, unless it has the focus. */
export function fill(field, value) {
  const text = value === null ? "" : String(value);
  if (field !== document.activeElement && field.value !== text) field.value = text;
}
