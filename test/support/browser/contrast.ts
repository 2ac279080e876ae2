import type { Page } from 'playwright-core';

/** Texts of a page whose contrast is below WCAG AA, each with its ratio. */
export function faintTexts(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const rgbOf = (color) => {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      return [...canvas.getImageData(0, 0, 1, 1).data];
    };
    const luminance = ([r, g, b]) => {
      const [x, y, z] = [r, g, b].map((one) => {
        const part = one / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * x + 0.7152 * y + 0.0722 * z;
    };
    const groundOf = (element) => {
      for (let at = element; at !== null; at = at.parentElement) {
        const rgba = rgbOf(getComputedStyle(at).backgroundColor);
        if (rgba[3] === 255) return rgba;
      }
      return [255, 255, 255, 255];
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
      const element = walker.currentNode.parentElement;
      const text = walker.currentNode.data.trim();
      const isShown = text !== '' && element.getClientRects().length > 0 && element.closest('button:disabled, noscript, option') === null;
      if (!isShown) continue;
      const style = getComputedStyle(element);
      const [a, b] = [luminance(rgbOf(style.color)), luminance(groundOf(element))];
      const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
      const size = parseFloat(style.fontSize);
      const isLarge = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (isLarge ? 3 : 4.5)) found.push(text.slice(0, 40) + ' ' + ratio.toFixed(2));
    }
    return found;
  })()`);
}
