// Two views, one at a time; which one is in the address, so that a reload stays where it was.
import { byId } from './dom.js';

const views = ['device', 'delivered'] as const;
type View = (typeof views)[number];

export class Tabs {
  readonly #onShow: (view: View) => void;

  constructor(onShow: (view: View) => void) {
    this.#onShow = onShow;
    for (const view of views) {
      const tab = tabOf(view);
      tab.addEventListener('click', () => this.show(view));
      tab.addEventListener('keydown', (event) => this.#onKey(event, view));
    }
    byId('show-delivered', HTMLButtonElement).addEventListener('click', () => {
      this.show('delivered');
      tabOf('delivered').focus();
    });
    this.show(location.hash === '#delivered' ? 'delivered' : 'device');
  }

  show(view: View): void {
    for (const each of views) {
      const selected = each === view;
      tabOf(each).ariaSelected = String(selected);
      tabOf(each).tabIndex = selected ? 0 : -1;
      byId(`view-${each}`, HTMLElement).hidden = !selected;
    }
    byId('bulk', HTMLElement).hidden = view !== 'device';
    history.replaceState(null, '', view === 'device' ? location.pathname + location.search : `#${view}`);
    this.#onShow(view);
  }

  #onKey(event: KeyboardEvent, view: View): void {
    if (!['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return;
    event.preventDefault();
    const goal = event.key === 'Home' ? 'device' : event.key === 'End' ? 'delivered' : other(view);
    this.show(goal);
    tabOf(goal).focus();
  }
}

function other(view: View): View {
  return view === 'device' ? 'delivered' : 'device';
}

function tabOf(view: View): HTMLButtonElement {
  return byId(`tab-${view}`, HTMLButtonElement);
}
