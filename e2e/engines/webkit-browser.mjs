#!/usr/bin/gjs -m
// A browser on WebKitGTK that keeps what its pages store, for WebKitWebDriver: the package's own MiniBrowser forgets all of
// it when it is driven. Arguments: the profile's folder; `private` for windows that keep nothing, or `alone` and a URL to go there
// undriven; a page that opens another is hidden then. Ends with its last window. Run by gjs.
import GLib from 'gi://GLib';
import Gtk from 'gi://Gtk?version=3.0';
import WebKit from 'gi://WebKit2?version=4.1';
import { programArgs } from 'system';

Gtk.init(null);
const [profileDir, mode, url] = programArgs;
const kept = { base_data_directory: `${profileDir}/data`, base_cache_directory: `${profileDir}/cache` };
const context = new WebKit.WebContext({
  website_data_manager: new WebKit.WebsiteDataManager(mode === 'private' ? { is_ephemeral: true } : kept),
});
context.set_automation_allowed(true);

const loop = GLib.MainLoop.new(null, false);
let windows = 0;

function show(view) {
  const window = new Gtk.Window({ default_width: 1280, default_height: 800 });
  window.add(view);
  window.show_all();
  windows += 1;
  view.connect('close', () => window.destroy());
  window.connect('destroy', () => {
    windows -= 1;
    if (windows === 0) loop.quit();
  });
  return window;
}

if (mode === 'alone') {
  const view = new WebKit.WebView({ web_context: context });
  view.get_settings().set_javascript_can_open_windows_automatically(true);
  const window = show(view);
  view.connect('create', () => {
    window.hide();
    return null;
  });
  view.load_uri(url);
}
context.connect('automation-started', (_, session) => {
  session.connect('create-web-view', () => {
    const view = new WebKit.WebView({ web_context: context, is_controlled_by_automation: true });
    show(view);
    return view;
  });
});
loop.run();
