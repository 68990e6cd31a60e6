// SPDX-License-Identifier: MIT
/* Asks the fault core what no driver asks: a device joins a second queue, and leaves one that it is not in. */
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iommu.h>
#include <linux/kernfs.h>
#include <linux/module.h>

static int folder; /* descriptor of the device's folder in sysfs */
module_param(folder, int, 0);

static int __init start(void) {
  struct file *file = fget(folder);
  struct kernfs_node *node = file ? file_inode(file)->i_private : NULL;
  struct device *device = node ? kobj_to_dev((struct kobject *)node->priv) : NULL;
  struct iopf_queue *queue = iopf_queue_alloc("second");
  int result = device && queue ? iopf_queue_add_device(queue, device) : -ENODEV;
  pr_warn("queues: %s: %d\n", device ? dev_name(device) : "none", result);
  if (result == -EBUSY) iopf_queue_remove_device(queue, device);
  iopf_queue_free(queue);
  if (file) fput(file);
  return -ECANCELED; /* nothing stays */
}
module_init(start);
MODULE_DESCRIPTION("Second fault queue");
MODULE_LICENSE("Dual MIT/GPL");
