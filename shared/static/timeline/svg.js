// SVG elements of the timeline.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Creates an SVG element and appends it to `parent`, if there is one.
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {Element | null} parent
 * @returns {SVGElement}
 */
export function svgElement(name, attributes = {}, parent = null) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  parent?.append(element);
  return element;
}

/**
 * Creates a text.
 * @param {string} content
 * @param {Record<string, string | number>} attributes
 * @param {Element} parent
 */
export function svgText(content, attributes, parent) {
  const element = svgElement("text", attributes, parent);
  element.textContent = content;
  return element;
}
