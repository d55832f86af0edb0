
// A prompt of the overview opens its tab.
for (const link of document.querySelectorAll("[data-choose]")) {
  link.addEventListener("click", () => {
    const tab = document.querySelectorAll("[data-tabs] a")[Number(link.dataset.choose)];
    if (tab) tab.click();
  });
}
